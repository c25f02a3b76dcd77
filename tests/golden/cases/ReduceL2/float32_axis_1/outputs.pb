
+ ZЃ%A†P=AїVAPwoAЪЭпAШ|эA‘BAfB:Y