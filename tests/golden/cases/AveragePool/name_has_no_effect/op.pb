
XYPool5"AveragePool*
global_pooling