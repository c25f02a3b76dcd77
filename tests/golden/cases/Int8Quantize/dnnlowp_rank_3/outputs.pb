
"`TewtmbTkeji:Y