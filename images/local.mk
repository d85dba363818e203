# libimages.a: what a checkpoint says.  Depends on common/ only.
