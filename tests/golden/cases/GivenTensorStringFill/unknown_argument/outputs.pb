
2plain:Y