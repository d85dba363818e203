#include "config.h"
#include "tests/model/conformance.h"
const struct c_case c_cases[] = {
	{ "first", NULL, "t0 mmap 0 8; t0 uffd => ok; u0 reg 0 8 => ok; t0 r 3 => fault; u0 poll => in; u0 read => fault 3; u0 copy 3 1 77 => ok; t0 wait => 77" },
};
const size_t c_nr_cases = sizeof(c_cases) / sizeof(c_cases[0]);
