/* A forecast in C: run_step STEP.onnx NUM_STEPS STATE FORCING BORDER FORECAST [SEED START MEMBER]
 *
 * STATE, FORCING (a field per step) and BORDER (a field per step) are float32 files in the order of py4cast_step.h; '-'
 * for one that there is not. FORECAST is what each step predicts, one after the other. A step that takes noise makes the
 * member of that number, from 0, of the forecast that starts START seconds after 1970-01-01T00 UTC. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "py4cast_step.h"

/* The numbers of a file; ends the program when there are others than `count`. */
static float *read_file(const char *path, size_t count) {
  float *values;
  FILE *file;
  if (!strcmp(path, "-") || !count) return NULL;
  values = malloc(count * sizeof(float));
  file = fopen(path, "rb");
  if (!values || !file || fread(values, sizeof(float), count, file) != count || fgetc(file) != EOF) {
    fprintf(stderr, "run_step: %s: expected %zu numbers\n", path, count);
    exit(3);
  }
  fclose(file);
  return values;
}

int main(int argc, char **argv) {
  p4c_step *step;
  p4c_sizes s;
  float *state, *forcing, *border, *predicted;
  size_t cells, i, num_steps;
  FILE *out;
  if (argc != 7 && argc != 10) {
    fprintf(stderr, "usage: run_step STEP.onnx NUM_STEPS STATE FORCING BORDER FORECAST [SEED START MEMBER]\n");
    return 2;
  }
  step = p4c_open(argv[1], 0);
  if (!step) {
    fprintf(stderr, "run_step: %s: %s\n", argv[1], p4c_error());
    return 3;
  }
  p4c_get_sizes(step, &s);
  if (argc == 10) p4c_begin_member(step, strtoll(argv[7], NULL, 10), strtoll(argv[8], NULL, 10), atoi(argv[9]));
  num_steps = (size_t)strtoul(argv[2], NULL, 10);
  cells = (size_t)s.rows * (size_t)s.columns;
  state = read_file(argv[3], cells * (size_t)(s.num_input_steps * s.num_prognostic));
  forcing = read_file(argv[4], cells * (size_t)s.num_forcing * num_steps);
  border = read_file(argv[5], cells * (size_t)s.num_prognostic * num_steps);
  predicted = malloc(cells * (size_t)s.num_predicted * sizeof(float));
  out = fopen(argv[6], "wb");
  if (!state || !predicted || !out) {
    fprintf(stderr, "run_step: no state, no memory, or no place for %s\n", argv[6]);
    return 3;
  }
  for (i = 0; i < num_steps; i++) {
    const float *own_forcing = forcing ? forcing + i * cells * (size_t)s.num_forcing : NULL;
    const float *own_border = border ? border + i * cells * (size_t)s.num_prognostic : NULL;
    if (p4c_advance(step, state, own_forcing, own_border, predicted)) {
      fprintf(stderr, "run_step: step %zu: %s\n", i + 1, p4c_error());
      return 4;
    }
    if (fwrite(predicted, sizeof(float), cells * (size_t)s.num_predicted, out) != cells * (size_t)s.num_predicted) {
      fprintf(stderr, "run_step: %s: cannot be written\n", argv[6]);
      return 1;
    }
  }
  free(state);
  free(forcing);
  free(border);
  free(predicted);
  p4c_close(step);
  return fclose(out) ? 1 : 0;
}
