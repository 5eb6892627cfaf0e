// host: a Lua state with luatrain's library inside, and the way from main() into Lua.
//
// The Lua sources are embedded in the library. With LUATRAIN_PATH set, files below that folder (a
// checkout's lua/) take their place, so that the library can be changed without a build.
#include "core/internal.h"
#include "host/host.h"

#include <lauxlib.h>
#include <luajit.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>

typedef struct { const char *name, *data; int64_t size; } embedded_file;
extern const embedded_file lt_embedded_files[] __attribute__((visibility("hidden")));
extern const char lt_header_text[] __attribute__((visibility("hidden")));

#ifndef LT_VERSION
#define LT_VERSION "0"
#endif

// ---- embedded text -----------------------------------------------------------------------------
static char *cdef;

static void join_cdef(void)
{
    cdef = calloc(1, strlen(lt_header_text) + 1);
    if (!cdef) return;
    const char *from = lt_header_text;
    while ((from = strstr(from, "// cdef begin")) != NULL) {
        const char *to = strstr(from, "// cdef end");
        strncat(cdef, from, (size_t)(to - from));
        from = to;
    }
}

const char *lt_cdef(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;  // loader workers ask too
    pthread_once(&once, join_cdef);
    return cdef ? cdef : "";
}

const char *lt_embedded_name(int32_t index)
{
    for (int32_t i = 0; i <= index; i++)
        if (!lt_embedded_files[i].name) return NULL;
    return lt_embedded_files[index].name;
}

const char *lt_embedded_text(const char *name, int64_t *size)
{
    for (const embedded_file *f = lt_embedded_files; f->name; f++)
        if (strcmp(f->name, name) == 0) {
            *size = f->size;
            return f->data;
        }
    return NULL;
}

const char *lt_build_info(void)
{
    static char text[256];
    snprintf(text, sizeof text, "version=%s\nluajit=%s\nthreads=%d\n", LT_VERSION, LUAJIT_VERSION,
             lt_threads());
    return text;
}

// ---- modules -----------------------------------------------------------------------------------
// package.loaders entry: "luatrain.nn" is luatrain/nn.lua or luatrain/nn/init.lua.
static int load_embedded(lua_State *L)
{
    const char *module = luaL_gsub(L, luaL_checkstring(L, 1), ".", "/");
    static const char *const forms[] = {"%s.lua", "%s/init.lua"};
    const char *disk = getenv("LUATRAIN_PATH");
    for (int i = 0; i < 2; i++) {
        const char *name = lua_pushfstring(L, forms[i], module);
        if (disk && strncmp(name, "luatrain", 8) == 0) {
            const char *path = lua_pushfstring(L, "%s/%s", disk, name);
            FILE *f = fopen(path, "r");
            if (f) {
                fclose(f);
                if (luaL_loadfile(L, path) != 0) return lua_error(L);
                return 1;
            }
        }
        int64_t size;
        const char *text = lt_embedded_text(name, &size);
        if (!text) continue;
        const char *chunk = lua_pushfstring(L, "@%s", name);
        if (luaL_loadbuffer(L, text, (size_t)size, chunk) != 0) return lua_error(L);
        return 1;
    }
    lua_pushfstring(L, "\n\tno embedded module '%s'", lua_tostring(L, 1));
    return 1;
}

static void add_searcher(lua_State *L)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "loaders");
    for (int i = (int)lua_objlen(L, -1); i >= 2; i--) {
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushcfunction(L, load_embedded);
    lua_rawseti(L, -2, 2);
    lua_pop(L, 2);
}

lua_State *lt_host_open(void)
{
    lua_State *L = luaL_newstate();
    if (!L) return NULL;
    luaL_openlibs(L);
    add_searcher(L);
    // The defaults (1000 traces, 512 KiB of code) make large programs flush their traces.
    if (luaL_dostring(L, "jit.opt.start('maxtrace=20000', 'maxmcode=65536', 'sizemcode=256')") != 0)
        lua_pop(L, 1);
    return L;
}

// ---- main --------------------------------------------------------------------------------------
__attribute__((visibility("default"))) int lt_main(int argc, char **argv);

int lt_main(int argc, char **argv)
{
    lua_State *L = lt_host_open();
    if (!L) {
        fprintf(stderr, "luatrain: no memory for a Lua state\n");
        return 1;
    }
    lt_host_interruptible(L);
    lua_createtable(L, argc, 0);
    for (int i = 0; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i);
    }
    lua_setglobal(L, "arg");
    int code = 1;
    lua_getglobal(L, "require");
    lua_pushliteral(L, "luatrain.host");
    if (lua_pcall(L, 1, 1, 0) == 0) {
        lua_getfield(L, -1, "main");
        lua_getglobal(L, "arg");
        if (lua_pcall(L, 1, 1, 0) == 0) {
            code = (int)lua_tointeger(L, -1);
            lua_close(L);
            return code;
        }
    }
    fprintf(stderr, "luatrain: %s\n", lua_tostring(L, -1));
    lua_close(L);
    return code;
}
