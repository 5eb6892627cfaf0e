// hdf5_library: libhdf5 and libdeflate, loaded when they are first needed, and the one lock.
//
// libhdf5 draws libcurl, Kerberos and some thirty more libraries into the process, so a program
// that reads no HDF5 file never loads it. Debian's build has a global lock of its own; ours is taken
// around groups of calls, so that an identifier is not closed between two of them.
#include "data/hdf5.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>

hdf5_library h5;
deflate_library deflate;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool loaded;
static char missing[256];  // why it cannot be loaded

static void *find(const char *const *names)
{
    for (; *names; names++) {
        void *library = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
        if (library) return library;
    }
    return NULL;
}

static bool fill_table(void *library)
{
    const char *lacking = NULL;
#define FIND_CALL(name) \
    *(void **)&h5.name = dlsym(library, #name); \
    if (!h5.name) lacking = #name;
    HDF5_CALLS(FIND_CALL)
    if (lacking) {
        snprintf(missing, sizeof missing, "HDF5: the library has no %s", lacking);
        return false;
    }
    // Its own clean-up at exit would run while worker threads still read, and crashes after a disk that was
    // full. Any other call would start the library, and register it.
    h5.H5dont_atexit();
    unsigned major, minor, release;
    if (h5.H5get_libversion(&major, &minor, &release) < 0 || major != H5_VERS_MAJOR
        || minor != H5_VERS_MINOR) {
        snprintf(missing, sizeof missing, "HDF5: luatrain was built for %d.%d, another is installed",
                 H5_VERS_MAJOR, H5_VERS_MINOR);
        return false;
    }
    h5.H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    if (h5.H5open() < 0) {
        snprintf(missing, sizeof missing, "HDF5: the library cannot be started");
        return false;
    }
#define FIND_ID(name) \
    { \
        hid_t *id = dlsym(library, #name); \
        if (!id) lacking = #name; \
        else h5.name = *id; \
    }
    HDF5_IDS(FIND_ID)
    if (lacking) snprintf(missing, sizeof missing, "HDF5: the library has no %s", lacking);
    return !lacking;
}

static void load(void)
{
    static const char *const names[] = {"libhdf5_serial.so.103", "libhdf5.so.103", "libhdf5_serial.so",
                                        "libhdf5.so", NULL};
    void *library = find(names);
    if (!library) {
        snprintf(missing, sizeof missing,
                 "HDF5: the library is not installed (Debian package libhdf5-103-1)");
        return;
    }
    if (!fill_table(library)) return;
    // Files are data: they may not name programs to be loaded, nor other files to be opened.
    h5.H5PLset_loading_state(0);
    h5.H5Lunregister(H5L_TYPE_EXTERNAL);
    loaded = true;
}

lt_status hdf5_enter(void)
{
    static _Thread_local bool quiet;
    pthread_mutex_lock(&lock);
    if (!loaded && !missing[0]) load();
    if (!loaded) {
        pthread_mutex_unlock(&lock);
        return lt_fail(LT_ERR_DEVICE, "%s", missing);
    }
    // Each thread has an error stack of its own, which prints to standard error unless told not to.
    if (!quiet) h5.H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    quiet = true;
    h5.H5Eclear2(H5E_DEFAULT);
    return LT_OK;
}

void hdf5_leave(void) { pthread_mutex_unlock(&lock); }

// What the system said ("error message = 'No space left on device'") where it did, else the text itself.
static herr_t innermost(unsigned n, const H5E_error2_t *e, void *text)
{
    (void)n;
    if (!e->desc || !e->desc[0]) return 0;
    const char *said = strstr(e->desc, "error message = '");
    const char *end = said ? strchr(said += strlen("error message = '"), '\'') : NULL;
    if (end) snprintf(text, 200, "%.*s", (int)(end - said), said);
    else snprintf(text, 200, "%s", e->desc);
    return 0;
}

lt_status hdf5_fail(lt_status status, const char *format, ...)
{
    char text[600], reason[200] = "";
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    h5.H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, innermost, reason);
    h5.H5Eclear2(H5E_DEFAULT);
    if (strstr(reason, "bad version number"))
        return lt_fail(status, "%s (%s: written for a newer HDF5; h5py writes files for all with "
                       "libver=('earliest', 'v110'))", text, reason);
    return lt_fail(status, reason[0] ? "%s (%s)" : "%s", text, reason);
}

// ---- libdeflate --------------------------------------------------------------------------------

static pthread_once_t deflate_once = PTHREAD_ONCE_INIT;
static bool deflate_loaded;

static void load_deflate(void)
{
    static const char *const names[] = {"libdeflate.so.0", "libdeflate.so", NULL};
    void *library = find(names);
    if (!library) return;
    deflate_loaded = true;
#define FIND_DEFLATE(name) \
    *(void **)&deflate.name = dlsym(library, #name); \
    if (!deflate.name) deflate_loaded = false;
    DEFLATE_CALLS(FIND_DEFLATE)
}

lt_status hdf5_need_deflate(void)
{
    pthread_once(&deflate_once, load_deflate);
    LT_REQUIRE(deflate_loaded, LT_ERR_DEVICE,
               "gzip: libdeflate is not installed (Debian package libdeflate0)");
    return LT_OK;
}

bool lt_hdf5_available(void)
{
    if (hdf5_enter() != LT_OK) return false;
    hdf5_leave();
    return hdf5_need_deflate() == LT_OK;
}
