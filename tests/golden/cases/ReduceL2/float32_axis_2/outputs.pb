
%oEØ@ÛSAÛ®AJ∞ËA EB€84B:Y