
"defghijklmnopqrs:X