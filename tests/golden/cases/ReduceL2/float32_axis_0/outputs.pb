
=0OPA1FbAÀÀtA{ðƒA§ÂAÊ—A×ü¡AFS¬APÇ¶A(TÁAöõËAœ©ÖA:Y