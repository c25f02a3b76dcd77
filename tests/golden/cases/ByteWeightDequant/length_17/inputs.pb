
"defghijklmnopqrst:X