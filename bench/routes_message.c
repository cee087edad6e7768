#include "bench/routes.h"

#include <string.h>

static const char *const messages[MESSAGES] = {
    "{\"registration_number\": \"HZ-XH-2026-000423\","
    " \"resident\": {\"citizen_number\": \"330106198805053218\", \"name\": \"欧阳春晓\", \"sex\": 2,"
    " \"birth_date\": \"1988-05-05\", \"ethnicity\": \"01\", \"phone\": \"13800000000\"},"
    " \"address\": {\"division\": \"330106004012\", \"street\": \"西溪街道\", \"community\": "
    "\"求智社区居民委员会\","
    " \"detail\": \"文三路 138 号 2 幢 3 单元 502 室\", \"unit_code\": \"330106004012B0102\","
    " \"longitude\": 120.13, \"latitude\": 30.27},"
    " \"former_address\": {\"division\": \"330102003007\", \"street\": \"清波街道\", \"community\": "
    "\"柳浪社区\","
    " \"detail\": \"天目山路 18 号 1 幢 101 室\", \"unit_code\": \"330102003007A0001\","
    " \"longitude\": 120.15, \"latitude\": 30.23},"
    " \"kind\": \"MOVE_IN\", \"registered_at\": \"2026-11-24T10:15:00.250Z\","
    " \"organ_code\": \"330106540000\", \"organ_name\": \"杭州市公安局西湖区分局西溪派出所\","
    " \"household_number\": \"330106004000123\", \"relation\": \"02\","
    " \"certificate_numbers\": [\"A123456789\"], \"version\": 7, \"remark\": "
    "\"随迁一人，系户主之配偶，已核。\"}",

    "{\"registration_number\": \"HZ-XH-2026-000993\", \"resident\": {\"sex\": 9, \"ethnicity\": \"05\","
    " \"former_name\": \"春\"}, \"address\": {\"division\": \"440106004012\", \"unit_code\": \"33010600405\","
    " \"longitude\": 260.5}, \"kind\": \"VISIT\", \"registered_at\": \"2100-01-01T00:00:00.500Z\","
    " \"relation\": \"A5\", \"version\": 100050}",

    "{\"resident\": {\"ethnicity\": \"77\", \"former_name\": \"晓\"}, \"address\": {\"division\": \"337706\","
    " \"unit_code\": \"33010600477\", \"longitude\": 277.5}, \"kind\": \"BIRTH\","
    " \"registered_at\": \"2100-01-01T00:00:00.77Z\", \"relation\": \"77\", \"version\": 100077}",

    "{}",
};

const char *message_json(size_t i) {
    return messages[i];
}

size_t message_characters(const char *json) {
    size_t count = 0;
    for (; *json; json++)
        count += ((unsigned char)*json & 0xC0) == 0xC0;
    return count;
}
