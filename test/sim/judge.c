// Holds the simulation's promises (history.h) against a history that really happened.
//   sim-judge < FACTS
// A fact a line, in an order in which they may have happened; messages are numbered from 0 as they are
// published, positions are any that rise by subject:
//   publish PUBLISHER SUBJECT SEQUENCE   to queue 0
//   recorded MESSAGE POSITION            it is in the journal, there
//   told MESSAGE                         its publisher heard that it was accepted
//   effect MESSAGE POSITION
//   settled POSITION
//   dead MESSAGE POSITION REASON
// Exit status: 0 all promises held; 1 one was broken, and which; 2 a line that is no fact.
#include "test/sim/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBERS 3

struct line {
    char *word;
    uint64_t numbers[NUMBERS];
    size_t count; // of numbers
};

static bool publish(struct history *history, const struct line *line) {
    struct fact_message message = {
        .publisher = (size_t)line->numbers[0], .subject = (unsigned)line->numbers[1]};
    if (line->numbers[0] >= PUBLISHERS || line->numbers[1] >= SUBJECTS)
        return false;
    size_t made = history_publish(history, &message);
    history_may_go(history, made, 1u << 0);
    history_sent(history, made, line->numbers[2]);
    return true;
}

static bool recorded(struct history *history, const struct line *line) {
    history_recorded(history, (size_t)line->numbers[0]);
    history_entered(history, (size_t)line->numbers[0], 0, line->numbers[1]);
    return true;
}

static bool told(struct history *history, const struct line *line) {
    history_told(history, (size_t)line->numbers[0], false);
    return true;
}

static bool effect(struct history *history, const struct line *line) {
    history_effect(history, 0, line->numbers[1], (size_t)line->numbers[0]);
    return true;
}

static bool settled(struct history *history, const struct line *line) {
    bool is_known = line->numbers[0] < history->queues[0].count;
    if (is_known)
        history_settled(history, 0, line->numbers[0]);
    return is_known;
}

static bool dead(struct history *history, const struct line *line) {
    history_dead(history, (size_t)line->numbers[0], 0, line->numbers[1], (uint32_t)line->numbers[2]);
    return true;
}

static const struct kind {
    const char *word;
    size_t count;
    bool names_message; // by its first number
    bool (*take)(struct history *history, const struct line *line);
} kinds[] = {
    {"publish", 3, false, publish},
    {"recorded", 2, true, recorded},
    {"told", 1, true, told},
    {"effect", 2, true, effect},
    {"settled", 1, false, settled},
    {"dead", 3, true, dead},
};

// Cuts the text into its word and numbers. False: something else is in it.
static bool split(char *text, struct line *line) {
    char *rest = NULL;
    *line = (struct line){.word = strtok_r(text, " \n", &rest)};
    for (char *number; (number = strtok_r(NULL, " \n", &rest));) {
        char *end;
        if (line->count == NUMBERS)
            return false;
        line->numbers[line->count++] = strtoull(number, &end, 10);
        if (*end)
            return false;
    }
    return line->word != NULL;
}

static bool take(struct history *history, char *text) {
    struct line line;
    if (!split(text, &line))
        return false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const struct kind *kind = &kinds[i];
        if (strcmp(kind->word, line.word) == 0)
            return line.count == kind->count &&
                   (!kind->names_message || line.numbers[0] < history->message_count) &&
                   kind->take(history, &line);
    }
    return false;
}

static int judge(struct history *history) {
    char text[128];
    for (size_t number = 1; fgets(text, sizeof text, stdin); number++) {
        if (take(history, text))
            continue;
        fprintf(stderr, "sim-judge: line %zu is no fact\n", number);
        return 2;
    }
    history_finish(history);
    const struct world *world = history->world;
    if (world->failed)
        printf("%s\n", world->failure);
    else
        printf("%" PRIu64 " messages, %" PRIu64 " accepted, %" PRIu64 " effects\n",
            world->counts[COUNT_MESSAGES], world->counts[COUNT_ACCEPTED], world->counts[COUNT_EFFECTS]);
    return world->failed ? 1 : 0;
}

int main(void) {
    static struct world world;
    static struct history history;
    world_init(&world, 0, false);
    history_init(&history, &world);
    int rc = judge(&history);
    history_destroy(&history);
    world_destroy(&world);
    return rc;
}
