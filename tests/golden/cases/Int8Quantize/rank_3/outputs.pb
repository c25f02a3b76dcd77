
"oi^WRffXY\jR:Y