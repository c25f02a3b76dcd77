
+""defghijklmnopqrstuvwxyz{|}~ÄÅÇ:X