
"ÿÿÿÿ:lengths