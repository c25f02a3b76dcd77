
G<ÅNÍÂ–*qBÿ¶Äk±ÈB6ÂB¥hCy–Á‡D&D<Bô·zÃ£ODÀJRB1ÈÂ±O-C”uB:C