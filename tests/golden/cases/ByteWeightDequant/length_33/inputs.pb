
/!"&defghijklmnopqrstuvwxyz{|}~ÄÅÇÉÑ:X