
:YJ«ªªªªªò?UUUUUU	@