
6ÉK@nTF?XQø?:Y