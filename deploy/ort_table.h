/* The entries of ONNX Runtime's table of functions that a step needs, by their places in it.
 *
 * ONNX Runtime hands out one struct of function pointers, to which new ones are only ever added at the end, so that the
 * places below hold for every release since 1.0 (onnxruntime.ai, "Compatibility"). Its library comes inside the wheel
 * `onnxruntime`, its header does not; these few lines stand in for it. */
#ifndef PY4CAST_ORT_TABLE_H
#define PY4CAST_ORT_TABLE_H

#include <stddef.h>
#include <stdint.h>

#define ORT_VERSION_ASKED 8 /* the oldest table that has all of this */
#define ORT_FLOAT 1         /* type of the numbers of a tensor */
#define ORT_ARENA 1         /* allocator; 0 is the default kind of memory */
#define ORT_WARNING 2       /* severity of what is logged */

typedef void (*ort_any)(void); /* an entry, cast to what it is before it is called */

typedef struct {
  const ort_any *(*table)(uint32_t version);
  const char *(*version)(void);
} ort_base;

extern const ort_base *OrtGetApiBase(void);

typedef void *ort_status; /* NULL when all is well */

typedef const char *(*ort_message)(ort_status);
typedef ort_status (*ort_create_env)(int, const char *, void **);
typedef ort_status (*ort_create_session)(void *, const char *, void *, void **);
typedef ort_status (*ort_run)(void *, void *, const char *const *, const void *const *, size_t, const char *const *,
                              size_t, void **);
typedef ort_status (*ort_create)(void **);
typedef ort_status (*ort_set_int)(void *, int);
typedef ort_status (*ort_count)(const void *, size_t *);
typedef ort_status (*ort_type_at)(const void *, size_t, void **);
typedef ort_status (*ort_name_at)(const void *, size_t, void *, char **);
typedef ort_status (*ort_wrap)(const void *, void *, size_t, const int64_t *, size_t, int, void **);
typedef ort_status (*ort_as_tensor)(const void *, const void **);
typedef ort_status (*ort_dims)(const void *, int64_t *, size_t);
typedef ort_status (*ort_memory)(int, int, void **);
typedef ort_status (*ort_free)(void *, void *);
typedef void (*ort_release)(void *);

enum {
  ORT_MESSAGE = 2,
  ORT_CREATE_ENV = 3,
  ORT_CREATE_SESSION = 7,
  ORT_RUN = 9,
  ORT_CREATE_OPTIONS = 10,
  ORT_SET_THREADS = 24,
  ORT_INPUT_COUNT = 30,
  ORT_INPUT_TYPE = 33,
  ORT_OUTPUT_TYPE = 34,
  ORT_INPUT_NAME = 36,
  ORT_WRAP = 49,
  ORT_AS_TENSOR = 55,
  ORT_DIM_COUNT = 61,
  ORT_DIMS = 62,
  ORT_CPU_MEMORY = 69,
  ORT_FREE = 76,
  ORT_ALLOCATOR = 78,
  ORT_RELEASE_ENV = 92,
  ORT_RELEASE_STATUS = 93,
  ORT_RELEASE_MEMORY = 94,
  ORT_RELEASE_SESSION = 95,
  ORT_RELEASE_VALUE = 96,
  ORT_RELEASE_TYPE = 98,
  ORT_RELEASE_OPTIONS = 100
};

#endif
