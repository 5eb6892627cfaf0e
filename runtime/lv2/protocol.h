// protocol.h: what luatrain and its plugin workers say to each other over a socket (descriptor 3).
#ifndef LT_LV2_PROTOCOL_H
#define LT_LV2_PROTOCOL_H

#include <stdint.h>

enum { LV2_MAGIC = 0x4c56324c, LV2_SOCKET = 3, LV2_MOST_SETTINGS = 4096 };

// A request is followed by its settings, an answer of status 0 by `bytes` of f32 samples, and one of
// another status by `bytes` of text.
typedef struct lv2_request {
    uint32_t magic, settings;
    double sample_rate, gate;  // gate: seconds until the key is released
    int64_t samples;
    float note, velocity;      // 0 .. 127
} lv2_request;
typedef struct lv2_setting { uint32_t port; float value; } lv2_setting;
typedef struct lv2_answer { uint32_t magic; int32_t status; int64_t bytes; } lv2_answer;

#endif
