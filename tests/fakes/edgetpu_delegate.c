/* A stand-in for libedgetpu: a LiteRT delegate that takes over every operator named "edgetpu-custom-op" and gives
 * half of its int8 input, or fails on demand. Layouts are those of the runtime's C interface (core/c/common.h),
 * of which only what is used here is declared.
 *
 * options: fail = create | prepare | invoke | abort | hang | wrong;  after = calls that still go well
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, ERROR = 1 };
typedef struct { int size; int data[]; } IntArray;
typedef struct Context Context;
typedef struct Delegate Delegate;

typedef struct {
    int type;
    void *data;
    IntArray *dims;
    float scale;
    int32_t zero_point;
    int allocation_type;
    size_t bytes;
    const void *allocation;
    const char *name;
    Delegate *delegate;
    int buffer_handle;
    bool data_is_stale, is_variable;
    int quantization_type;
    void *quantization_params, *sparsity;
    const IntArray *dims_signature;
} Tensor;

typedef struct {
    IntArray *inputs, *outputs, *intermediates, *temporaries;
    void *user_data;
} Node;

/* Passed by value, so declared in full. */
typedef struct {
    void *(*init)(Context *, const char *, size_t);
    void (*release)(Context *, void *);
    int (*prepare)(Context *, Node *);
    int (*invoke)(Context *, Node *);
    const char *(*profiling_string)(const Context *, const Node *);
    int32_t builtin_code;
    const char *custom_name;
    int version;
    void *external, *async_kernel;
    uint64_t inplace_operator;
} Registration;

struct Context {
    size_t tensors_size;
    int (*get_execution_plan)(Context *, IntArray **);
    Tensor *tensors;
    void *impl;
    int (*resize_tensor)(Context *, Tensor *, IntArray *);
    void (*report_error)(Context *, const char *, ...);
    int (*add_tensors)(Context *, int, int *);
    int (*get_node_and_registration)(Context *, int, Node **, Registration **);
    int (*replace_node_subsets)(Context *, Registration, const IntArray *, Delegate *);
};

struct Delegate {
    void *data;
    int (*prepare)(Context *, Delegate *);
    int (*copy_from)(Context *, Delegate *, int, Tensor *);
    int (*copy_to)(Context *, Delegate *, int, Tensor *);
    void (*free_handle)(Context *, Delegate *, int *);
    int64_t flags;
    void *opaque_builder;
};

static char mode[16];
static long good_calls, calls;

static int is(const char *name) { return strcmp(mode, name) == 0; }

static int invoke(Context *context, Node *node) {
    int fails = calls++ >= good_calls;
    if (fails && is("abort")) abort();
    if (fails && is("hang")) for (;;) sleep(1000);
    if (fails && is("invoke")) {
        context->report_error(context, "device was unplugged");
        return ERROR;
    }
    const Tensor *input = &context->tensors[node->inputs->data[0]];
    Tensor *output = &context->tensors[node->outputs->data[0]];
    for (size_t i = 0; i < input->bytes && i < output->bytes; i++) {
        int8_t value = ((const int8_t *)input->data)[i];
        ((int8_t *)output->data)[i] = (fails && is("wrong")) ? 0 : (int8_t)(value / 2);
    }
    return OK;
}

static int prepare_node(Context *context, Node *node) {
    (void)node;
    if (is("prepare")) {
        context->report_error(context, "device does not answer");
        return ERROR;
    }
    return OK;
}

static int prepare(Context *context, Delegate *delegate) {
    IntArray *plan;
    if (context->get_execution_plan(context, &plan) != OK) return ERROR;
    IntArray *ours = calloc(1, sizeof(IntArray) + sizeof(int) * (size_t)plan->size);
    if (!ours) return ERROR;
    for (int i = 0; i < plan->size; i++) {
        Node *node;
        Registration *registration;
        if (context->get_node_and_registration(context, plan->data[i], &node, &registration) != OK) continue;
        if (registration->custom_name && strcmp(registration->custom_name, "edgetpu-custom-op") == 0)
            ours->data[ours->size++] = plan->data[i];
    }
    Registration kernel = {.prepare = prepare_node, .invoke = invoke, .custom_name = "test-delegate", .version = 1};
    int status = context->replace_node_subsets(context, kernel, ours, delegate);
    free(ours);
    return status;
}

Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t n, void (*report)(const char *)) {
    memset(mode, 0, sizeof mode);
    good_calls = calls = 0;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(keys[i], "fail") == 0) strncpy(mode, values[i], sizeof mode - 1);
        if (strcmp(keys[i], "after") == 0) good_calls = atol(values[i]);
    }
    if (is("create")) {
        report("no Edge TPU found");
        return NULL;
    }
    Delegate *delegate = calloc(1, sizeof(Delegate));
    if (delegate) {
        delegate->prepare = prepare;
        delegate->flags = 1; /* dynamic tensors: else the custom operator is prepared before we can take it */
    }
    return delegate;
}

/* Called with NULL where creating failed. */
void tflite_plugin_destroy_delegate(Delegate *delegate) { free(delegate); }
