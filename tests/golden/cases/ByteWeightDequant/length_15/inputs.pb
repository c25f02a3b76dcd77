
"defghijklmnopqr:X