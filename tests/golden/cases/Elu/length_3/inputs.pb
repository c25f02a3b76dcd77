
6ÉK@nTF?XQø?:X