// host.h: making Lua states, for main() and for loader workers.
#ifndef LT_HOST_H
#define LT_HOST_H

#include <lua.h>

// A state with the standard libraries and luatrain's modules in reach; NULL without memory.
lua_State *lt_host_open(void);
// From now on an interrupt (lt_interrupt_watch) raises an error in this state.
void lt_host_interruptible(lua_State *L);

#endif
