
XYPool5"MaxPool*
global_pooling