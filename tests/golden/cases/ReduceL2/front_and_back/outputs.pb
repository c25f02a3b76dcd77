
!Ü‰jA6`YAAÒ`A®þeAÃ9dA:Y