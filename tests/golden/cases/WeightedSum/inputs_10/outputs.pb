
3(а(Gацф=AОH@─n!╫ыd█A▓}B@tsIаз░A┬mzAB@:Y