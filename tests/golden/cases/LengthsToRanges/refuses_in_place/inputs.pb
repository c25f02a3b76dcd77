
":lengths