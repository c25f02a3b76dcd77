
…xÖ
Â^=…Á;ð´ÁI‹šÂ;ð´ÁºgB+‘¦B˜^ºAn‹B-G¶BöûXAL
¸B£¶)B“B¸ÓdA“çFBKlcAU‚BG,ŒBÿõB‘ËaÂüUÜÂpÛÂ†6zÂ†6zÂL‡C!¾C,µB*WC³*B:Y