
qñC z±B z±B:Y