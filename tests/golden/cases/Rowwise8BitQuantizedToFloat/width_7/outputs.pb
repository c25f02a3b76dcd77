
{pªgkB=ç‘AI…A	–B™0™BÑ°óAïýÐAbµ¥B_iBzÅ¯AØ›‰B¶kCÅvC:¢B†…éAàUÍ@œ¥èBz¶1CØö|CqCÞ©6C7ÄlÀêQ¢ÁwÁñ•èÁ\@¿Àp$Âm¶¿:Y