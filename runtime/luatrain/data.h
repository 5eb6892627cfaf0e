// luatrain/data.h - the loader of batches.
// Part of luatrain.h, which includes it; read by LuaJIT between the marks.
// cdef begin

// ---- loader ------------------------------------------------------------------------------------
// Worker threads that make batches, each in a Lua state of its own. Jobs and notes are opaque bytes.
typedef struct lt_loader lt_loader;
typedef struct lt_job lt_job;
// Starts the workers; each runs require("luatrain.data.worker").main(loader, spec).
lt_status lt_loader_open(lt_loader **loader, int32_t workers, const char *spec, int64_t bytes);
// Queues a job. The caller bounds how many are under way.
lt_status lt_loader_put(lt_loader *loader, const char *text, int64_t bytes);
// Waits for the oldest job's result. The note stays readable until the next call. LT_ERR_END where
// no job is under way; another error where a worker has died, with its message.
lt_status lt_loader_next(lt_loader *loader, const char **note, int64_t *bytes, int32_t *tensors);
// Tensor `index` (from 0) of the result at hand, with a reference of its own, and its name.
lt_status lt_loader_tensor(lt_loader *loader, int32_t index, lt_tensor *t, const char **name);
// Drops all jobs under way and their results.
void lt_loader_flush(lt_loader *loader);
// Ends the workers (each finishes its sample) and frees everything. NULL is allowed.
void lt_loader_close(lt_loader *loader);
// For the workers: the next job (waits; LT_ERR_END when the loader closes), a tensor of its result,
// its end, and whether to hurry.
lt_status lt_loader_take(lt_loader *loader, lt_job **job, const char **text, int64_t *bytes);
lt_status lt_loader_emit(lt_job *job, const char *name, const lt_tensor *t);
lt_status lt_loader_done(lt_loader *loader, lt_job *job, const char *note, int64_t bytes);
bool lt_loader_closing(lt_loader *loader);
// A seed below 2^53 that depends on all three numbers.
double lt_loader_seed(int64_t seed, int64_t epoch, int64_t index);
// order[0..n) <- a permutation of 0..n-1 that depends on seed and epoch only.
void lt_loader_order(int64_t *order, int64_t n, int64_t seed, int64_t epoch);

// cdef end
