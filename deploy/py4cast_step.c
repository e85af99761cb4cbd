/* py4cast_step.h on ONNX Runtime. */
#include "py4cast_step.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ort_table.h"
#include "py4cast_noise.h"

enum { STATE, FORCING, BORDER, NOISE, NUM_INPUTS };
static const char *const INPUTS[NUM_INPUTS] = {"state", "forcing", "border", "noise"};
static const char *const OUTPUT = "next_state";

struct p4c_step {
  const ort_any *table;
  void *env, *options, *session, *memory;
  p4c_sizes sizes;
  int takes[NUM_INPUTS];
  float *unknown_border; /* NaN everywhere */
  float *noise;          /* of one step */
  int noise_features;    /* on every cell; 0 where the numbers are for the whole field */
  long long seed, start; /* of the member */
  int member, lead_step, is_begun;
};

static char last_error[512] = "nothing went wrong";

const char *p4c_error(void) { return last_error; }

static int fail(const char *what) {
  snprintf(last_error, sizeof last_error, "%s", what);
  return -1;
}

/* 0 for no status; else takes its message over and frees it. */
static int check(const ort_any *table, ort_status status) {
  if (status == NULL) return 0;
  fail(((ort_message)table[ORT_MESSAGE])(status));
  ((ort_release)table[ORT_RELEASE_STATUS])(status);
  return -1;
}

/* The dimensions of an input or output, -1 where the batch is free. */
static int dims_of(const p4c_step *step, size_t index, int of_output, int64_t *dims, size_t most, size_t *count) {
  const ort_any *table = step->table;
  void *type = NULL;
  const void *tensor = NULL;
  int failed = check(table, ((ort_type_at)table[of_output ? ORT_OUTPUT_TYPE : ORT_INPUT_TYPE])(step->session, index, &type));
  if (!failed) failed = check(table, ((ort_as_tensor)table[ORT_AS_TENSOR])(type, &tensor));
  if (!failed && tensor == NULL) failed = fail("an input or output is no tensor");
  if (!failed) failed = check(table, ((ort_count)table[ORT_DIM_COUNT])(tensor, count));
  if (!failed && *count > most) failed = fail("more dimensions than a step of py4cast has");
  if (!failed) failed = check(table, ((ort_dims)table[ORT_DIMS])(tensor, dims, *count));
  if (type) ((ort_release)table[ORT_RELEASE_TYPE])(type);
  return failed;
}

/* Which input this is, by its name; -1 for one that no step of py4cast has. */
static int which_input(const p4c_step *step, void *allocator, size_t index) {
  const ort_any *table = step->table;
  char *name = NULL;
  int which = -1, i;
  if (check(table, ((ort_name_at)table[ORT_INPUT_NAME])(step->session, index, allocator, &name))) return -1;
  for (i = 0; i < NUM_INPUTS; i++)
    if (!strcmp(name, INPUTS[i])) which = i;
  if (which < 0) snprintf(last_error, sizeof last_error, "it asks for the input '%s', which this program does not give", name);
  check(table, ((ort_free)table[ORT_FREE])(allocator, name));
  return which;
}

static int read_sizes(p4c_step *step) {
  const ort_any *table = step->table;
  p4c_sizes *sizes = &step->sizes;
  int64_t dims[5];
  size_t count = 0, number, i;
  void *allocator = NULL;
  if (check(table, ((ort_create)table[ORT_ALLOCATOR])(&allocator))) return -1;
  if (check(table, ((ort_count)table[ORT_INPUT_COUNT])(step->session, &number))) return -1;
  for (i = 0; i < number; i++) {
    int which = which_input(step, allocator, i);
    if (which < 0 || dims_of(step, i, 0, dims, 5, &count)) return -1;
    step->takes[which] = 1;
    if (which == STATE) {
      if (count != 5) return fail("its state has not five dimensions");
      sizes->num_input_steps = (int)dims[1];
      sizes->num_prognostic = (int)dims[4];
    } else if (which == FORCING) {
      if (count != 4) return fail("its forcing has not four dimensions");
      sizes->num_forcing = (int)dims[3];
    } else if (which == NOISE) {
      if (count != 2 && count != 4) return fail("its noise has neither two dimensions nor four");
      step->noise_features = count == 4 ? (int)dims[3] : 0;
      sizes->num_noise = (int)(count == 4 ? dims[1] * dims[2] * dims[3] : dims[1]);
      if (sizes->num_noise < 1) return fail("its noise has no numbers");
    }
  }
  if (!step->takes[STATE]) return fail("it takes no state: no step exported by py4cast");
  if (dims_of(step, 0, 1, dims, 5, &count)) return -1;
  if (count != 4) return fail("what it predicts has not four dimensions");
  sizes->rows = (int)dims[1];
  sizes->columns = (int)dims[2];
  sizes->num_predicted = (int)dims[3];
  sizes->takes_border = step->takes[BORDER];
  if (sizes->num_input_steps < 1 || sizes->rows < 1 || sizes->columns < 1 || sizes->num_prognostic < 1 ||
      sizes->num_predicted < sizes->num_prognostic)
    return fail("its sizes are not those of a step of py4cast");
  return 0;
}

static size_t cells(const p4c_step *step) { return (size_t)step->sizes.rows * (size_t)step->sizes.columns; }

static int prepare(p4c_step *step, const char *path, int num_threads) {
  const ort_any *table = step->table;
  size_t i, count;
  if (check(table, ((ort_create_env)table[ORT_CREATE_ENV])(ORT_WARNING, "py4cast", &step->env))) return -1;
  if (check(table, ((ort_create)table[ORT_CREATE_OPTIONS])(&step->options))) return -1;
  if (check(table, ((ort_set_int)table[ORT_SET_THREADS])(step->options, num_threads))) return -1;
  if (check(table, ((ort_create_session)table[ORT_CREATE_SESSION])(step->env, path, step->options, &step->session))) return -1;
  if (check(table, ((ort_memory)table[ORT_CPU_MEMORY])(ORT_ARENA, 0, &step->memory))) return -1;
  if (read_sizes(step)) return -1;
  count = cells(step) * (size_t)step->sizes.num_prognostic;
  step->unknown_border = malloc(count * sizeof(float));
  if (step->unknown_border == NULL) return fail("no memory");
  for (i = 0; i < count; i++) step->unknown_border[i] = NAN;
  if (step->sizes.num_noise) {
    step->noise = malloc((size_t)step->sizes.num_noise * sizeof(float));
    if (step->noise == NULL) return fail("no memory");
  }
  return 0;
}

p4c_step *p4c_open(const char *path, int num_threads) {
  p4c_step *step = calloc(1, sizeof *step);
  if (step == NULL) {
    fail("no memory");
    return NULL;
  }
  step->table = OrtGetApiBase()->table(ORT_VERSION_ASKED);
  if (step->table == NULL) {
    fail("this ONNX Runtime is too old");
    free(step);
    return NULL;
  }
  if (prepare(step, path, num_threads)) {
    p4c_close(step);
    return NULL;
  }
  return step;
}

void p4c_get_sizes(const p4c_step *step, p4c_sizes *sizes) { *sizes = step->sizes; }

/* A tensor that lies in the caller's memory, with a batch of one. */
static int wrap(p4c_step *step, const float *values, int num_steps, int features, void **tensor) {
  int64_t dims[5] = {1, num_steps, step->sizes.rows, step->sizes.columns, features};
  size_t count = cells(step) * (size_t)features * (size_t)(num_steps ? num_steps : 1);
  if (!num_steps) memmove(dims + 1, dims + 2, 3 * sizeof *dims);
  return check(step->table, ((ort_wrap)step->table[ORT_WRAP])(step->memory, (void *)values, count * sizeof(float), dims,
                                                              num_steps ? 5 : 4, ORT_FLOAT, tensor));
}

/* The numbers of the member at the step that is due, as a tensor. */
static int wrap_noise(p4c_step *step, void **tensor) {
  int64_t dims[2] = {1, step->sizes.num_noise};
  size_t count = (size_t)step->sizes.num_noise;
  if (!step->is_begun) return fail("it takes noise, and no member was begun: p4c_begin_member");
  p4c_noise(step->seed, step->start, step->member, step->lead_step, step->noise, count);
  if (step->noise_features) return wrap(step, step->noise, 0, step->noise_features, tensor);
  return check(step->table, ((ort_wrap)step->table[ORT_WRAP])(step->memory, step->noise, count * sizeof(float), dims, 2, ORT_FLOAT, tensor));
}

void p4c_begin_member(p4c_step *step, long long seed, long long start, int member) {
  step->seed = seed;
  step->start = start;
  step->member = member;
  step->lead_step = 0;
  step->is_begun = 1;
}

/* The oldest state goes, the prognostic part of the predicted one comes. */
static void slide(const p4c_step *step, float *state, const float *predicted) {
  const p4c_sizes *s = &step->sizes;
  size_t one = cells(step) * (size_t)s->num_prognostic, cell;
  float *last = state + one * (size_t)(s->num_input_steps - 1);
  memmove(state, state + one, one * (size_t)(s->num_input_steps - 1) * sizeof(float));
  for (cell = 0; cell < cells(step); cell++)
    memcpy(last + cell * (size_t)s->num_prognostic, predicted + cell * (size_t)s->num_predicted,
           (size_t)s->num_prognostic * sizeof(float));
}

static int run(p4c_step *step, const float *state, const float *forcing, const float *border, float *predicted) {
  const p4c_sizes *s = &step->sizes;
  const float *values[NUM_INPUTS] = {state, forcing, border ? border : step->unknown_border, NULL};
  const int steps[NUM_INPUTS] = {s->num_input_steps, 0, 0, 0};
  const int features[NUM_INPUTS] = {s->num_prognostic, s->num_forcing, s->num_prognostic, 0};
  const char *names[NUM_INPUTS];
  void *given[NUM_INPUTS] = {NULL}, *out = NULL;
  int count = 0, i, failed = 0;
  if (step->takes[FORCING] && forcing == NULL) return fail("it needs a forcing");
  for (i = 0; i < NUM_INPUTS && !failed; i++)
    if (step->takes[i]) {
      names[count] = INPUTS[i];
      failed = i == NOISE ? wrap_noise(step, &given[count]) : wrap(step, values[i], steps[i], features[i], &given[count]);
      if (!failed) count++;
    }
  if (!failed) failed = wrap(step, predicted, 0, s->num_predicted, &out);
  if (!failed)
    failed = check(step->table, ((ort_run)step->table[ORT_RUN])(step->session, NULL, names, (const void *const *)given,
                                                                (size_t)count, &OUTPUT, 1, &out));
  for (i = 0; i < count; i++) ((ort_release)step->table[ORT_RELEASE_VALUE])(given[i]);
  if (out) ((ort_release)step->table[ORT_RELEASE_VALUE])(out);
  return failed;
}

int p4c_advance(p4c_step *step, float *state, const float *forcing, const float *border, float *predicted) {
  int failed = run(step, state, forcing, border, predicted);
  if (failed) return failed;
  slide(step, state, predicted);
  step->lead_step++;
  return 0;
}

int p4c_rate(p4c_step *step, const float *state, const float *forcing, float *rate) {
  return run(step, state, forcing, NULL, rate);
}

void p4c_close(p4c_step *step) {
  if (step == NULL) return;
  if (step->memory) ((ort_release)step->table[ORT_RELEASE_MEMORY])(step->memory);
  if (step->session) ((ort_release)step->table[ORT_RELEASE_SESSION])(step->session);
  if (step->options) ((ort_release)step->table[ORT_RELEASE_OPTIONS])(step->options);
  if (step->env) ((ort_release)step->table[ORT_RELEASE_ENV])(step->env);
  free(step->unknown_border);
  free(step->noise);
  free(step);
}
