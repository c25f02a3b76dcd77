
G<Vå»B0ËñBÏ3pCfùBærBðjÂ¼bˆBÿ–…B°BÃÊnÄÂ¥XèBIÕ¾Â¨ýA;ˆÂ¬ÒÂ:C