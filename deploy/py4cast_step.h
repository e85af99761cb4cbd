/* A step exported by py4cast, in C: open it, ask for its sizes, advance a state.
 *
 * All values are float32 in physical units, features last: a state is (timestep, lat, lon, features) in C order, which
 * Fortran sees as (features, lon, lat, timestep). Missing values are NaN. One handle serves one thread at a time. */
#ifndef PY4CAST_STEP_H
#define PY4CAST_STEP_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct p4c_step p4c_step;

/* What a step takes and gives. */
typedef struct {
  int num_input_steps; /* past states */
  int rows, columns;   /* lat, lon */
  int num_prognostic;  /* features of a state */
  int num_forcing;     /* features of the forcing, 0 where there is none */
  int num_predicted;   /* features of what is predicted: the prognostic ones first */
  int takes_border;    /* whether values are imposed in the border */
  int num_noise;       /* random numbers of a member at each step, 0 where it makes but one forecast */
} p4c_sizes;

/* Opens a file. NULL when that fails; p4c_error says why. num_threads 0: as many as there are cores. */
p4c_step *p4c_open(const char *path, int num_threads);

void p4c_get_sizes(const p4c_step *step, p4c_sizes *sizes);

/* Predicts the next state of `state`, num_input_steps past ones, oldest first, and moves them on: the oldest goes, the
 * prognostic part of what is predicted comes last.
 *   forcing: of the step to predict, (lat, lon, num_forcing); NULL where there is none.
 *   border:  prognostic features to impose in the border, (lat, lon, num_prognostic); NULL, or NaN, where not known.
 *   predicted: (lat, lon, num_predicted).
 * 0 when all went well; else p4c_error says why. */
int p4c_advance(p4c_step *step, float *state, const float *forcing, const float *border, float *predicted);

/* What the network of a hybrid gives to a solver (py4cast export --rate): the rate of a state [units s-1], (lat, lon,
 * num_predicted). The state stays as it is; the forcing is (lat, lon, num_forcing). 0 when all went well. */
int p4c_rate(p4c_step *step, const float *state, const float *forcing, float *rate);

/* Says which member is forecast from now on, for a step that takes noise: its numbers are those that py4cast draws in Python
 * for this seed, start (seconds since 1970-01-01T00 UTC) and member. p4c_advance counts the lead steps from here. */
void p4c_begin_member(p4c_step *step, long long seed, long long start, int member);

void p4c_close(p4c_step *step);

/* What went wrong last. */
const char *p4c_error(void);

#ifdef __cplusplus
}
#endif
#endif
