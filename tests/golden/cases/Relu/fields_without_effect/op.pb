
XY	some name"ReluHZd`	