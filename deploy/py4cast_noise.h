/* The random numbers of a member, as py4cast draws them in Python: a function of (seed, start, member, lead step) alone.
 *
 *     η(seed, t₀, m, k) = standard normal numbers of Philox 4×64 with the key SHA-256("seed t₀ m k")
 *
 * by the ziggurat of numpy.random.Generator.standard_normal(dtype=float32).
 * References: J. K. Salmon et al. (2011), doi 10.1145/2063384.2063405 (Philox); G. Marsaglia, W. W. Tsang (2000), doi
 * 10.18637/jss.v005.i08 (ziggurat); FIPS 180-4 (SHA-256). */
#ifndef PY4CAST_NOISE_H
#define PY4CAST_NOISE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Draws `count` numbers of lead step `step`, 0 for the first, of a member of the forecast that starts at `start`, in seconds
 * since 1970-01-01T00 UTC. */
void p4c_noise(long long seed, long long start, int member, int step, float *numbers, size_t count);

#ifdef __cplusplus
}
#endif
#endif
