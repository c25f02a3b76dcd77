
9[BڪXBeYvB:Y