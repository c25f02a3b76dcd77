
":lengths