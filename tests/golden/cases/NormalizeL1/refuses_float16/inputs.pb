
"€x€x€x€x€x€x:X