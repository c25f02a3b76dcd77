
"ht_edXKUZmdb:Y