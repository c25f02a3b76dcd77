
":exists