// Who wants to know when all has been read.
#include "broker/kafka/follow_internal.h"

#include <errno.h>
#include <stdlib.h>

// What a structure owns, GCC's analyzer takes for lost.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

int follow_ask(struct follow *follow, int32_t partition, uint64_t token) {
    if (partition >= follow->options.partitions)
        return -EINVAL;
    if (follow->question_count == FOLLOW_QUESTIONS)
        return KAFKA_FULL;
    if (follow->question_count == follow->question_capacity) {
        size_t capacity = follow->question_capacity ? 2 * follow->question_capacity : 16;
        struct question *larger = reallocarray(follow->questions, capacity, sizeof *larger);
        if (!larger)
            return -ENOMEM;
        follow->questions = larger;
        follow->question_capacity = capacity;
    }
    follow->questions[follow->question_count++] = (struct question){.token = token, .partition = partition};
    if (!ends_busy(follow->ends))
        return questions_work(follow);
    return 0;
}

static bool is_answered(const struct follow *follow, const struct question *question) {
    if (question->state != QUESTION_KNOWN)
        return false;
    if (question->partition >= 0)
        return follow->read_to[question->partition] >= question->end;
    for (int32_t i = 0; i < follow->options.partitions; i++)
        if (follow->read_to[i] < question->ends[i])
            return false;
    return true;
}

bool follow_answered(struct follow *follow, uint64_t *token) {
    for (size_t i = 0; i < follow->question_count; i++) {
        struct question *question = &follow->questions[i];
        if (!is_answered(follow, question))
            continue;
        *token = question->token;
        free(question->ends);
        *question = follow->questions[--follow->question_count];
        return true;
    }
    return false;
}

static int note_end(const struct follow *follow, struct question *question, const int64_t *ends) {
    size_t size = (size_t)follow->options.partitions * sizeof *ends;
    if (question->partition >= 0)
        question->end = ends[question->partition];
    else if (!(question->ends = malloc(size)))
        return -ENOMEM;
    else
        memcpy(question->ends, ends, size);
    question->state = QUESTION_KNOWN;
    return 0;
}

// No answer: asked again. Otherwise all that were asked before the question went out know how far to read.
static int hear_ends(struct follow *follow) {
    const int64_t *ends = ends_answer(follow->ends);
    int rc = 0;
    for (size_t i = 0; i < follow->question_count && rc == 0; i++) {
        struct question *question = &follow->questions[i];
        if (question->state != QUESTION_UNDER_WAY)
            continue;
        question->state = QUESTION_WAITING;
        if (ends)
            rc = note_end(follow, question, ends);
    }
    return rc;
}

int questions_work(struct follow *follow) {
    if (ends_busy(follow->ends))
        return 0;
    int rc = hear_ends(follow);
    bool any = false;
    for (size_t i = 0; i < follow->question_count && rc == 0; i++)
        if (follow->questions[i].state == QUESTION_WAITING) {
            follow->questions[i].state = QUESTION_UNDER_WAY;
            any = true;
        }
    if (any)
        ends_start(follow->ends);
    return rc;
}

void questions_destroy(struct follow *follow) {
    for (size_t i = 0; i < follow->question_count; i++)
        free(follow->questions[i].ends);
    free(follow->questions);
}
