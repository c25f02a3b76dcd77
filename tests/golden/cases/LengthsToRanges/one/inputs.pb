
":lengths