/* py4cast_noise.h in C99: nothing but the standard library. */
#include "py4cast_noise.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* SHA-256 of a text of at most 119 bytes, which are one block or two; that of four numbers has at most 65. */

enum { WORDS = 64, MOST = 119 };

static const uint32_t SHA_ROUNDS[WORDS] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t turn(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void sha_block(uint32_t *state, const unsigned char *block) {
  uint32_t w[WORDS], a[8];
  int i;
  for (i = 0; i < 16; i++)
    w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
  for (; i < WORDS; i++)
    w[i] = w[i - 16] + (turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3) + w[i - 7] +
           (turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10);
  memcpy(a, state, sizeof a);
  for (i = 0; i < WORDS; i++) {
    uint32_t first = a[7] + (turn(a[4], 6) ^ turn(a[4], 11) ^ turn(a[4], 25)) + ((a[4] & a[5]) ^ (~a[4] & a[6])) + SHA_ROUNDS[i] + w[i];
    uint32_t second = (turn(a[0], 2) ^ turn(a[0], 13) ^ turn(a[0], 22)) + ((a[0] & a[1]) ^ (a[0] & a[2]) ^ (a[1] & a[2]));
    memmove(a + 1, a, 7 * sizeof *a);
    a[4] += first;
    a[0] = first + second;
  }
  for (i = 0; i < 8; i++) state[i] += a[i];
}

/* The first 128 bits of the hash, as a number whose low bytes come first. */
static void key_of(const char *text, uint64_t *key) {
  uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  unsigned char padded[128] = {0};
  size_t size = strlen(text), whole = size < 56 ? 64 : 128;
  int i;
  memcpy(padded, text, size);
  padded[size] = 0x80;
  padded[whole - 2] = (unsigned char)(size * 8 >> 8);
  padded[whole - 1] = (unsigned char)(size * 8);
  sha_block(state, padded);
  if (whole > 64) sha_block(state, padded + 64);
  key[0] = key[1] = 0;
  for (i = 15; i >= 0; i--) key[i / 8] = key[i / 8] << 8 | (state[i / 4] >> (24 - 8 * (i % 4)) & 0xff);
}

/* Philox 4×64 of ten rounds, read as 32 bits at a time, the low half of a number first. */

typedef struct {
  uint64_t key[2], counter, numbers[4];
  int place; /* of the next half, 8 where new numbers are needed */
} philox;

static uint64_t high_of(uint64_t a, uint64_t b) {
  uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
  uint64_t middle = a1 * b0 + (a0 * b0 >> 32), other = a0 * b1 + (uint32_t)middle;
  return a1 * b1 + (middle >> 32) + (other >> 32);
}

static void refill(philox *p) {
  const uint64_t first = 0xD2E7470EE14C6C93u, second = 0xCA5A826395121157u;
  uint64_t c[4] = {0}, key[2];
  int round;
  c[0] = ++p->counter;
  memcpy(key, p->key, sizeof key);
  for (round = 0; round < 10; round++) {
    uint64_t mixed[4];
    mixed[0] = high_of(second, c[2]) ^ c[1] ^ key[0];
    mixed[1] = second * c[2];
    mixed[2] = high_of(first, c[0]) ^ c[3] ^ key[1];
    mixed[3] = first * c[0];
    memcpy(c, mixed, sizeof c);
    key[0] += 0x9E3779B97F4A7C15u;
    key[1] += 0xBB67AE8584CAA73Bu;
  }
  memcpy(p->numbers, c, sizeof c);
  p->place = 0;
}

static uint32_t next_bits(philox *p) {
  uint64_t number;
  if (p->place == 8) refill(p);
  number = p->numbers[p->place / 2];
  return (uint32_t)(p->place++ % 2 ? number >> 32 : number);
}

static float uniform(philox *p) { return (float)(next_bits(p) >> 8) * (1.0f / 16777216.0f); }

/* The ziggurat of 256 layers of one area, right of x = 0. */

enum { LAYERS = 256 };
static const double LAST = 3.6541528853610087963519472518; /* where the tail begins */

typedef struct {
  uint32_t inside[LAYERS]; /* whole numbers below which a point lies within its layer for sure */
  float width[LAYERS], height[LAYERS];
} ziggurat;

static void build(ziggurat *z) {
  const double steps = 8388608.0, edge = exp(-0.5 * LAST * LAST);
  const double area = LAST * edge + sqrt(2 * atan(1.0)) * erfc(LAST / sqrt(2.0));
  double x = LAST, last = LAST;
  int i;
  z->inside[0] = (uint32_t)(LAST * edge / area * steps);
  z->inside[1] = 0;
  z->width[0] = (float)(area / edge / steps);
  z->height[0] = 1.0f;
  z->width[LAYERS - 1] = (float)(LAST / steps);
  z->height[LAYERS - 1] = (float)edge;
  for (i = LAYERS - 2; i > 0; i--) {
    x = sqrt(-2 * log(area / last + exp(-0.5 * last * last)));
    z->inside[i + 1] = (uint32_t)(x / last * steps);
    z->width[i] = (float)(x / steps);
    z->height[i] = (float)exp(-0.5 * x * x);
    last = x;
  }
}

static float of_tail(philox *p, uint32_t bits) {
  const float last = (float)LAST, inverse = (float)(1 / LAST);
  for (;;) {
    float beyond = -inverse * log1pf(-uniform(p)), limit = -log1pf(-uniform(p));
    if (limit + limit > beyond * beyond) return bits >> 8 & 1 ? -(last + beyond) : last + beyond;
  }
}

static float normal(philox *p, const ziggurat *z) {
  for (;;) {
    uint32_t bits = next_bits(p), layer = bits & 0xff, place = bits >> 9 & 0x7fffff;
    float x = (float)place * z->width[layer];
    if (bits >> 8 & 1) x = -x;
    if (place < z->inside[layer]) return x;
    if (layer == 0) return of_tail(p, place);
    if ((z->height[layer - 1] - z->height[layer]) * uniform(p) + z->height[layer] < exp(-0.5 * x * x)) return x;
  }
}

void p4c_noise(long long seed, long long start, int member, int step, float *numbers, size_t count) {
  philox p = {{0, 0}, 0, {0}, 8};
  ziggurat z;
  char text[MOST];
  size_t i;
  snprintf(text, sizeof text, "%lld %lld %d %d", seed, start, member, step);
  key_of(text, p.key);
  build(&z);
  for (i = 0; i < count; i++) numbers[i] = normal(&p, &z);
}
