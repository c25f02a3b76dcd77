
:YJUUUUUUå?«ªªªªªú?