
":lengths