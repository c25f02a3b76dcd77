
3(ZoB„<èBŽI*At‚@bgB­TÙBŽÍˆB¡ãmB2*3Â¤ŽÂ:Y