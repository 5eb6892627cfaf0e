// luatrain/files.h - files, directories, processes and the clock.
// Part of luatrain.h, which includes it; read by LuaJIT between the marks.
// cdef begin

// ---- files and processes -----------------------------------------------------------------------
// Every function here names the path and the operating system's reason in its error (LT_ERR_IO).

// Bytes owned by C. data has one byte more than `bytes`, a 0, so that text may be read as a string.
typedef struct lt_buffer {
    char *data;
    int64_t bytes;
} lt_buffer;
void lt_buffer_release(lt_buffer *b);

enum { LT_FILE_NONE = 0, LT_FILE_REGULAR, LT_FILE_DIRECTORY, LT_FILE_OTHER };
typedef struct lt_file_info {
    int64_t bytes;
    double modified;  // seconds since 1970
    int32_t kind;     // LT_FILE_NONE where there is nothing by that name
    int32_t is_link;  // the name itself is a symbolic link; the rest describes what it leads to
} lt_file_info;

// The whole file; more than max_bytes is an error, found before it is read where the size is known.
lt_status lt_file_read(lt_buffer *content, const char *path, int64_t max_bytes);
// Replaces or creates the file at once: a temporary file beside it, fsync, rename, fsync of the
// directory. After a failure the old file is as it was and the temporary one is gone. Devices and
// pipes are written directly.
lt_status lt_file_write(const char *path, const void *data, int64_t bytes);
// The same in pieces. lt_writer_commit and lt_writer_abort both end and free the writer, also on
// failure; so does nothing else.
typedef struct lt_writer lt_writer;
lt_status lt_writer_open(lt_writer **w, const char *path);
lt_status lt_writer_write(lt_writer *w, const void *data, int64_t bytes);
lt_status lt_writer_commit(lt_writer *w);
void lt_writer_abort(lt_writer *w);
// The name of a temporary file beside path, for programs that write files themselves; fresh at each
// call, and known to lt_dir_clean.
lt_status lt_file_temporary(lt_buffer *name, const char *path);
// A file that only grows; each append reaches the operating system before it returns.
typedef struct lt_appender lt_appender;
lt_status lt_appender_open(lt_appender **a, const char *path);
lt_status lt_appender_write(lt_appender *a, const void *data, int64_t bytes);
lt_status lt_appender_close(lt_appender *a);  // fsync and close; frees it also on failure; takes NULL
lt_status lt_file_stat(lt_file_info *info, const char *path);
lt_status lt_file_remove(const char *path);  // a file or an empty directory; nothing there is fine
// Renames durably: fsync of the file, rename, fsync of the directory.
lt_status lt_file_rename(const char *from, const char *to);
lt_status lt_dir_make(const char *path);     // with its parents; existing is fine
// Names in the directory without . and .., each ended by a 0 byte, in byte order.
lt_status lt_dir_list(lt_buffer *names, const char *path);
// Removes temporary files that a dead process of this machine left in the directory; *removed
// counts them.
lt_status lt_dir_clean(int32_t *removed, const char *path);
// Takes the lock that the file `path`, made where it is missing, stands for. It lasts until
// lt_lock_close or the end of the process, even a violent one. Where another holds it, lock is NULL
// and *holder its process number (-1: unknown); where the file system has no locks, NULL and 0.
typedef struct lt_lock lt_lock;
lt_status lt_lock_open(lt_lock **lock, int32_t *holder, const char *path);
void lt_lock_close(lt_lock *lock);  // takes NULL
// Makes the n-th operation fail, for tests: "write:3:ENOSPC" the third write from now, "fsync:1+:EIO"
// every fsync from now on; operations open read write fsync rename mkdir; also SHORT (half is
// written) and KILL (the process dies there) for an error name; several joined by commas; NULL or
// "" switches it off. The environment variable LT_FAULT is read at the first operation.
lt_status lt_file_fault(const char *spec);

enum { LT_PROCESS_NONE = 0, LT_PROCESS_RUNNING, LT_PROCESS_EXITED, LT_PROCESS_KILLED, LT_PROCESS_TIMEOUT };
typedef struct lt_process {
    int32_t pid;
    int32_t state;
    int32_t code;      // exit code, or the signal that ended it
    int32_t reserved;
    double started;    // lt_time() at the start
    double seconds;    // how long it ran, once it has ended
    double deadline;   // lt_time() at which it is killed; 0 for none
} lt_process;
// Runs a program (found by PATH) without a shell, in a process group of its own, with empty standard
// input; its output goes to the file `log` (NULL: nowhere), replaced. argv ends with NULL; directory
// NULL keeps the current one; after `timeout` seconds (0: none) the group is killed.
lt_status lt_process_start(lt_process *p, const char *const *argv, const char *directory,
                           const char *log, double timeout);
// The same with a line to talk over: *line is this process's end, the child's is LT_LINE_CHILD. Close
// it with lt_line_close.
enum { LT_LINE_CHILD = 3 };
lt_status lt_process_start_talking(lt_process *p, const char *const *argv, const char *directory,
                                   const char *log, double timeout, int32_t *line);
// Sends a signal to the process alone; does nothing where it is not running.
lt_status lt_process_signal(lt_process *p, int32_t number);
// Waits up to `seconds` until one of n processes that was running has ended; *index counts from 0,
// -1 where none has. Those not running are passed over.
lt_status lt_process_wait(int32_t *index, lt_process *const *p, int32_t n, double seconds);
// Kills the whole group and reaps the process; does nothing where it is not running.
void lt_process_kill(lt_process *p);
int32_t lt_cpus(void);    // processors this process may use
// From now on only `count` of these, from the first-th (counted from 0).
lt_status lt_cpus_keep(int32_t first, int32_t count);
// Waits up to `seconds` until one of n lines (at most 1024) has something to be read, or its other end
// is gone; ready[i] is 1 for those, else 0. A signal ends the wait.
lt_status lt_line_wait(int32_t *ready, const int32_t *lines, int32_t n, double seconds);
// Reads at most `bytes`, waiting for the first; *got 0: the other end is gone.
lt_status lt_line_read(int32_t line, char *data, int64_t bytes, int64_t *got);
lt_status lt_line_write(int32_t line, const char *data, int64_t bytes);  // all of it; waits for room
void lt_line_close(int32_t line);              // takes -1
// From now on this process, with its group where it leads one, is killed when the line's other end is
// gone; programs that it starts do not get the line.
lt_status lt_line_cling(int32_t line);
int32_t lt_getpid(void);         // the number of this process
const char *lt_host_name(void);  // this machine's name; stays until the thread's next call
double lt_clock(void);    // seconds since 1970

// cdef end
