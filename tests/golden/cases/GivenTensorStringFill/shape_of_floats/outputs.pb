
2plain:Y