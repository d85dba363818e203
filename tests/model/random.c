#include "config.h"
#include "tests/model/conformance.h"
void c_random_step(struct c_random *random, struct c_run *run, char *text, size_t room) { text[0]=0; }
