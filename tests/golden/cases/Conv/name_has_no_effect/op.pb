
X
W
bYConv1"Conv*

kernel*
padÿÿÿÿÿÿÿÿÿ